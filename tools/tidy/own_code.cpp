// SPDX-License-Identifier: BSD-3-Clause
//
// A plugin of clang-tidy 14, built and loaded by tools/lint: the check bmc-own-code
// reports nothing, but keeps the others from walking through the headers of libraries,
// where clang-tidy would drop what they find. A test is some hundred lines of ours and a
// hundred thousand of theirs: it takes a third of the time.
#include <vector>

#include <clang-tidy/ClangTidyCheck.h>
#include <clang-tidy/ClangTidyModule.h>
#include <clang-tidy/ClangTidyModuleRegistry.h>

namespace
{

using namespace clang;

class OwnCode : public tidy::ClangTidyCheck
{
  public:
    using ClangTidyCheck::ClangTidyCheck;

    void registerMatchers(ast_matchers::MatchFinder *finder) override
    {
        finder->addMatcher(ast_matchers::translationUnitDecl(), this);
    }

    /// The unit itself is visited first, and only then it is asked what is in it.
    void check(const ast_matchers::MatchFinder::MatchResult &result) override
    {
        std::vector<Decl *> own;

        for (Decl *declaration : result.Context->getTranslationUnitDecl()->decls())
            if (!result.SourceManager->isInSystemHeader(declaration->getLocation()))
                own.push_back(declaration);
        result.Context->setTraversalScope(own);
    }
};

class OwnCodeModule : public tidy::ClangTidyModule
{
  public:
    void addCheckFactories(tidy::ClangTidyCheckFactories &factories) override
    {
        factories.registerCheck<OwnCode>("bmc-own-code");
    }
};

const tidy::ClangTidyModuleRegistry::Add<OwnCodeModule> module("bmc-module", "Checks of bmc.");

} // namespace
