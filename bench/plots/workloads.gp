# SPDX-License-Identifier: BSD-3-Clause
data = ARG1
picture = ARG2
note = ARG3
load ARG0[1:strlen(ARG0) - strlen("workloads.gp")] . "style.gp"
set title "Server CPU time of a request, closed loop of sockets"
set ylabel "microseconds"
set style data histograms
set style histogram clustered gap 1
set style fill solid
set yrange [0:*]
set xtics rotate by -35
set bmargin 6
set key top right
plot data using 2:xtic(1) title "stock memcached" linecolor rgb stock, \
    "" using 3 title "memcached-sr" linecolor rgb patched, \
    "" using 4 title "memcached-sr with bmc" linecolor rgb bmc
