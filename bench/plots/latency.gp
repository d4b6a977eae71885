# SPDX-License-Identifier: BSD-3-Clause
data = ARG1
picture = ARG2
note = ARG3
load ARG0[1:strlen(ARG0) - strlen("latency.gp")] . "style.gp"
set title "Latency by offered rate, open loop, Poisson arrivals"
set xlabel "GETs offered, thousands per second"
set ylabel "microseconds"
set logscale y
plot data index 0 using ($1 / 1e3):2 with linespoints linecolor rgb stock title "stock memcached, median", \
    "" index 0 using ($1 / 1e3):3 with linespoints dashtype 2 linecolor rgb stock title "99 %", \
    "" index 0 using ($1 / 1e3):4 with linespoints dashtype 3 linecolor rgb stock title "99.9 %", \
    "" index 1 using ($1 / 1e3):2 with linespoints linecolor rgb bmc title "bmc, median", \
    "" index 1 using ($1 / 1e3):3 with linespoints dashtype 2 linecolor rgb bmc title "99 %", \
    "" index 1 using ($1 / 1e3):4 with linespoints dashtype 3 linecolor rgb bmc title "99.9 %"
