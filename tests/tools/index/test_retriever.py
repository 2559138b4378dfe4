"""The index as a LangChain retriever."""

from collections.abc import Iterator

import pytest
from langchain_core.documents import Document
from langchain_tests.integration_tests import RetrieversIntegrationTests

from shoestring.tools.index.index import Index
from shoestring.tools.index.retriever import IndexRetriever


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with Index.open(None, None) as made:
        made.update(
            Document(f"Fact {n} about cats.", metadata={"source": f"{n}.md"}) for n in range(9)
        )
        yield made


class TestIndexRetriever(RetrieversIntegrationTests):
    """LangChain's own tests of a retriever."""

    @pytest.fixture(autouse=True)
    def _keep(self, index: Index) -> None:
        self._index = index

    @property
    def retriever_constructor(self) -> type[IndexRetriever]:
        return IndexRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, object]:
        return {"index": self._index, "k": 2}

    @property
    def retriever_query_example(self) -> str:
        return "facts about cats"


async def test_async_and_sync_agree(index: Index) -> None:
    """Both ways of asking give the same passages."""
    retriever = IndexRetriever(index=index, k=4)
    assert await retriever.ainvoke("fact 3") == retriever.invoke("fact 3")


def test_the_number_of_passages_is_positive(index: Index) -> None:
    """A retriever of nothing is refused, when it is made and when it is asked."""
    with pytest.raises(ValueError, match="greater than 0"):
        IndexRetriever(index=index, k=0)
    with pytest.raises(ValueError, match="k must be positive"):
        IndexRetriever(index=index).invoke("cats", k=-1)
