"""Whole labelled data sets translated: COCO, YOLO, KITTI, Cityscapes, BDD100K."""
