# SPDX-License-Identifier: BSD-3-Clause
#
#   bmc_install_configuration(FILE PATH COMPONENT NAME)
#
# installs the file as the absolute PATH, wherever the rest goes, unless one is there
# already: it is its owner's then.

function(bmc_install_configuration file path)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "COMPONENT" "")
    get_filename_component(folder ${path} DIRECTORY)
    get_filename_component(name ${path} NAME)
    get_filename_component(source ${file} ABSOLUTE)
    install(CODE "
        if(NOT EXISTS \"\$ENV{DESTDIR}${path}\")
            file(INSTALL \"${source}\" DESTINATION \"${folder}\" RENAME \"${name}\")
        endif()"
        COMPONENT ${arg_COMPONENT})
endfunction()
