# SPDX-License-Identifier: BSD-3-Clause
#
# What all plots have in common. The other scripts of this folder load it; they are called
# with a file of data, a file to write, and a note about the machine:
# gnuplot -c NAME.gp DATA PICTURE NOTE

set terminal svg size 760,420 font "sans-serif,13" background rgb "white"
set output picture
set datafile separator "\t"
set label 1 note at screen 0.99,0.02 right font ",10" textcolor rgb "#666666"
set border 3
set tics nomirror
set grid y linecolor rgb "#dddddd"
set key top left reverse Left
stock = "#999999"
patched = "#5b8db8"
bmc = "#d1495b"
limit = "#cccccc"
