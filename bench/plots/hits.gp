# SPDX-License-Identifier: BSD-3-Clause
data = ARG1
picture = ARG2
note = ARG3
load ARG0[1:strlen(ARG0) - strlen("hits.gp")] . "style.gp"
set title "GETs that one server core answers in a second (16-byte keys, 32-byte values, zipf 0.99)"
set ylabel "million GETs per second of CPU time"
set style fill solid
set boxwidth 0.5
set yrange [0:*]
set xrange [-0.6:2.6]
unset key
colour(i) = i == 0 ? 0x999999 : i == 1 ? 0xd1495b : 0xcccccc
plot data using 0:($2 / 1e6):(colour($0)):xtic(1) with boxes linecolor rgb variable, \
    "" using 0:($2 / 1e6):(sprintf("%.2f", $2 / 1e6)) with labels offset 0,0.7
