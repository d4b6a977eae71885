# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Completion of bmc(8). Commands, options and their values are what `bmc --help` says.

# _bmc_help [COMMAND]: "NAME VALUES" of every option or command; VALUES are a
# list {a,b}, or what stands for the value, or nothing.
_bmc_help() {
    bmc "$@" --help 2>/dev/null | sed -nE '
        /^(Options|Subcommands):$/,/^$/ {
            s/^  (-h,)?(--[a-z0-9-]+|[a-z]+)( ([A-Z]+|\[[^ ]*)(:(\{[^}]*\}))?)?.*/\2 \4\6/p
        }'
}

_bmc() {
    local command="" option="" values word i
    local current=${COMP_WORDS[COMP_CWORD]}

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --*) option=$word ;;
        *) [[ -n $command ]] || command=$word ;;
        esac
    done

    values=$(_bmc_help ${command:+"$command"} | sed -n "s/^$option //p")
    if [[ -z $command || $current == -* || -z $option || -z $values ]]; then
        values=$(_bmc_help ${command:+"$command"} | sed 's/ .*//')
    else
        case $values in
        *"{"*) values=${values#*\{} values=${values%\}} values=${values//,/ } ;;
        IF) values=$(command ls /sys/class/net) ;;
        NAME) values=$(command ls /sys/fs/bpf/bmc 2>/dev/null) ;;
        GROUP)
            mapfile -t COMPREPLY < <(compgen -g -- "$current")
            return
            ;;
        FILE)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        *) return ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
}

complete -F _bmc bmc
