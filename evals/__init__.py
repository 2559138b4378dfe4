"""What a token buys: cases, scores, intervals, and what is measured with them."""
