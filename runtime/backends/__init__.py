"""What runs a model: the protocol of all back ends, the back ends, and the one way to open one."""
