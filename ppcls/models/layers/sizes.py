"""Numbers of channels."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """Return the nearest multiple of `divisor`, which is never more than a tenth below `value`.

    Source: the rule of MobileNet's reference code, https://arxiv.org/abs/1704.04861.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
