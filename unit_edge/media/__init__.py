"""What reading and writing of media files share. Needs PyAV and OpenCV."""
