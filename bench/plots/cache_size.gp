# SPDX-License-Identifier: BSD-3-Clause
data = ARG1
picture = ARG2
note = ARG3
load ARG0[1:strlen(ARG0) - strlen("cache_size.gp")] . "style.gp"
set title "A cache smaller than the data (zipf 0.99)"
set logscale x
set xlabel "memory of bmc, % of the data"
set ylabel "hits, %"
set y2label "server CPU time of a GET, microseconds"
set yrange [0:100]
set y2range [0:*]
set y2tics
set border 11
set key bottom right
plot data using 1:2 with linespoints linewidth 2 linecolor rgb bmc title "hits", \
    "" using 1:3 axes x1y2 with linespoints linewidth 2 dashtype 2 linecolor rgb bmc title "CPU time with bmc", \
    "" using 1:4 axes x1y2 with lines linewidth 2 dashtype 2 linecolor rgb stock title "CPU time of stock memcached"
