"""How much a unit of text tells about a query: words first, then dearer tiers."""
