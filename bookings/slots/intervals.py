"""Lists of (start, end) intervals, start included, end excluded."""

Interval = tuple[int, int]

# Later than any instant.
NEVER = 1 << 62


def merged(intervals: list[Interval]) -> list[Interval]:
    if len(intervals) < 2:
        return intervals
    merged: list[Interval] = []
    last_end = -NEVER
    for interval in sorted(intervals):
        start, end = interval
        if start > last_end:
            merged.append(interval)
            last_end = end
        elif end > last_end:
            merged[-1] = (merged[-1][0], end)
            last_end = end
    return merged


def cut(intervals: list[Interval], cuts: list[Interval]) -> tuple[list[Interval], list[Interval]]:
    """What of the intervals lies outside the cuts, and what inside. All are sorted and disjoint."""
    outside: list[Interval] = []
    inside: list[Interval] = []
    position = 0
    for start, end in intervals:
        while position < len(cuts) and cuts[position][1] <= start:
            position += 1
        for index in range(position, len(cuts)):
            cut_start, cut_end = cuts[index]
            if cut_start >= end:
                break
            if start < cut_start:
                outside.append((start, cut_start))
            inside_start, inside_end = max(start, cut_start), min(end, cut_end)
            if inside_start < inside_end:
                inside.append((inside_start, inside_end))
                start = inside_end
        if start < end:
            outside.append((start, end))
    return outside, inside
