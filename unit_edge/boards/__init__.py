"""What is known of the boards that a model may run on."""
