#!/bin/sh
# Notes every kept file in a list beside the tracks.
mkdir -p out && grep -o '"file":"[^"]*"' | tail -n 1 >> out/kept.txt
