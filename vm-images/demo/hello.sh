#!/bin/sh
# What the first container says.
echo "Hello from Naru!"
echo
echo "This container runs inside Naru's own small Linux machine:"
echo "  container  $(hostname)"
echo "  kernel     $(uname -sr) ($(uname -m))"
echo
echo "From here, everything you know from Docker works:"
echo "  docker --context naru run --rm -it naru/hello sh"
