"""Label files as people have them: COCO, YOLO, KITTI, BDD."""
