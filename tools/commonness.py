from functools import cache
@cache
def _table(limit, snow):
    from shoestring.models.vocabularies import encoding
    from shoestring.tools.bm25 import stem
    e = encoding("o200k_base"); f = {}
    for i in range(256, limit):
        try: w = e.decode_single_token_bytes(i).decode()
        except UnicodeDecodeError: continue
        if w.startswith(" ") and w[1:].isalpha():
            s = stem(w[1:].casefold()); f[s] = f.get(s, 0.0) + SCALE / (i - 250)
    return f
SCALE = 1.0
LIMIT = 40000
def commonness(s):
    from shoestring.tools import bm25
    return min(0.05, _table(LIMIT, bm25.SNOW).get(s, 0.0))
