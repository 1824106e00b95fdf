"""What pictures and videos may claim, before anything heavy is loaded."""

PIXELS_AT_MOST = 3 * 2**24
"""Of a picture or a video's frame, as a small file can claim them: 50 million, as of an 8192x6144, which take
1.9 GB."""
