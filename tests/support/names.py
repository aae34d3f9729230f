"""Names of articles that are written as their languages have it, with spaces and joiners that cannot be seen."""

from typing import Final

NAMES: Final = {
    "French": "Tasse\u00a0: \u00ab\u202fBonjour\u202f\u00bb",
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Malayalam": "\u0d15\u0d23\u0d4d\u200d",
    "Japanese": "\u767d\u3044\u3000\u30de\u30b0",
    "an emoji family": "Family \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "an emoji with a variation selector": "Love \u2764\ufe0f\u200d\U0001f525",
    "Arabic": "\u0642\u062f\u062d",
}
