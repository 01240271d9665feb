"""How far apart two words are when the second may be the first with typing mistakes."""


def distance(typed: str, meant: str, limit: int) -> int:
    """The least number of letters left out, put in, exchanged or swapped with their neighbour (optimal string
    alignment); `limit` + 1 for all that are farther apart."""
    if abs(len(typed) - len(meant)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(meant) + 1))
    for i, letter in enumerate(typed, 1):
        current = [i]
        for j, other in enumerate(meant, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == meant[j - 2] and typed[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)


def letters(word: str) -> int:
    """Which letters a word has, and which twice and three times, as bits: a mistake changes one of them either way."""
    bits = 0
    for letter in word:
        bit = 1 << 3 * (ord(letter) & 31)
        if bits & bit:
            bit <<= 2 if bits & bit << 1 else 1
        bits |= bit
    return bits


def could_be(typed_bits: int, meant_bits: int, limit: int) -> bool:
    """Whether words with these letters can be `limit` mistakes apart; a quick question before `distance`."""
    different = typed_bits ^ meant_bits
    return (different & typed_bits).bit_count() <= limit and (different & meant_bits).bit_count() <= limit


def mistakes_allowed(word: str) -> int:
    """None in words of one or two letters, one in short words, two in long ones."""
    return 0 if len(word) < 3 else 1 if len(word) < 7 else 2
