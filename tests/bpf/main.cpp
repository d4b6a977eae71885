// SPDX-License-Identifier: BSD-3-Clause
#include <cstdio>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/bpf/datapath.h"

// Options besides googletest's: --object=FILE, the BPF object to test,
// --compiler=NAME, who compiled it, and --tc, to send it its requests at TC ingress.
// Exits with 77 if every test was skipped.
int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    for (int i = 1; i < argc; i++) {
        const std::string_view argument = argv[i];
        constexpr std::string_view object = "--object=", compiler = "--compiler=";

        if (argument.starts_with(object)) {
            bmc::test::object_under_test().path = argument.substr(object.size());
        } else if (argument.starts_with(compiler)) {
            bmc::test::object_under_test().compiler = argument.substr(compiler.size());
        } else if (argument == "--tc") {
            bmc::test::object_under_test().at_tc = true;
        } else {
            std::fprintf(stderr, "bpf_test: unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    const int result = RUN_ALL_TESTS();
    const testing::UnitTest &tests = *testing::UnitTest::GetInstance();
    if (result == 0 && tests.successful_test_count() == 0 && tests.skipped_test_count() > 0)
        return 77;
    return result;
}
