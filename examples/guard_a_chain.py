"""Guard the model of a chain that exists: one line, and the chain cannot overspend."""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from shoestring import Budget, BudgetExceeded, Ledger, LocalChatModel, guard

PROMPT = ChatPromptTemplate.from_template("In one sentence: what is a {thing}?")
THINGS = ("heron", "lighthouse", "glacier", "sundial", "compass", "harbour")


def main() -> None:
    """Run the chain until the budget refuses the next call, then show the receipt."""
    ledger = Ledger(Budget(tokens=250))
    model = guard(LocalChatModel(), ledger, max_output=40)  # the one line
    chain = PROMPT | model | StrOutputParser()
    for thing in THINGS:
        try:
            print(f"{thing}: {chain.invoke({'thing': thing})}")
        except BudgetExceeded as refusal:
            print(f"{thing}: refused. {refusal}")
            break
    print(
        f"spent {ledger.spent.tokens} of {ledger.limit.tokens} tokens in {ledger.spent.calls} calls"
    )


if __name__ == "__main__":
    main()
