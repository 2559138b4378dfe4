"""What a run keeps in the agent's state: plain data, and never a ledger."""

# LangGraph and deepagents resolve these annotations: no name here may be for type checkers alone.
from typing import Annotated, Any, NotRequired

from langchain.agents.middleware.types import AgentState, PrivateStateAttr
from langchain_core.documents import Document
from langgraph.channels.untracked_value import UntrackedValue


class RunState(AgentState[Any]):
    """The agent's state, with the run's account beside its messages.

    Attributes:
        ledger_id: The ledger that pays for this run.
        budget_run: Which run of the thread this is, from 1.
        budget_keeper: Lives as long as the run, and no checkpoint has it; None where the run can be
            resumed.
        budget_sent_back: The answers that the verifier did not take in this run.
        stopped_by: The cap that ended the run, or "closed"; None while it goes on.
    """

    ledger_id: NotRequired[Annotated[str, PrivateStateAttr]]
    budget_run: NotRequired[Annotated[int, PrivateStateAttr]]
    budget_keeper: NotRequired[Annotated[Any, UntrackedValue, PrivateStateAttr]]
    budget_sent_back: NotRequired[Annotated[list[str], PrivateStateAttr]]
    stopped_by: NotRequired[Annotated[str | None, PrivateStateAttr]]


class ContextState(AgentState[Any]):
    """The agent's state, with what its context is made of beside its messages.

    Attributes:
        documents: What a call may read beside its messages; given by whoever invokes the agent, or
            by a node or tool of it.
        context_of: The conversation that this is, for the stash.
        context_room: Tokens that the last call's prompt could have.
    """

    documents: NotRequired[list[Document]]
    context_of: NotRequired[Annotated[str, PrivateStateAttr]]
    context_room: NotRequired[Annotated[int, PrivateStateAttr]]
