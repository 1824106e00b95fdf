"""What E and G learn against beside D1, D2 on pixels, which are in train/networks.py."""
