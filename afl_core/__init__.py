"""Compare segmentation losses case by case and lesion by lesion: FL against A-FL first."""

__version__ = "0.1.0"
