#!/usr/bin/env python3
"""The measures of `words.py`, each on a text that shows one rule."""

import contextlib
import io
import unittest
from pathlib import Path

import words

LONG = "word " * 21 + "end"


def of(name, source):
    return words.measure(Path(name), source)


def numbers(places):
    return [place[1] for place in places]


class Width(unittest.TestCase):
    def test_a_line_of_a_hundred_columns_is_not_wide_and_one_more_is(self):
        self.assertEqual([], of("a.md", "x " * 49 + "xx").wide)
        self.assertEqual([1], numbers(of("a.md", "x " * 49 + "xxx").wide))

    def test_indentation_and_marker_of_a_comment_count(self):
        comment = "// " + "word " * 14 + "end"
        self.assertEqual([], of("a.rs", f"fn f() {{\n{' ' * 24}{comment}\n}}").wide)
        self.assertEqual([2], numbers(of("a.rs", f"fn f() {{\n{' ' * 25}{comment}\n}}").wide))

    def test_long_code_is_not_a_comment(self):
        self.assertEqual(0, of("a.rs", f'let a = "{LONG} // {LONG}"; let b = r#"// {LONG}"#;').lines)
        self.assertEqual(0, of("a.sh", f"echo '{LONG} # {LONG}'").lines)

    def test_a_comment_behind_code_is_wide_with_its_code(self):
        self.assertEqual([1], numbers(of("a.rs", "let a = 1;" + " " * 80 + "// too far to the right").wide))

    def test_tables_code_and_long_links_are_excepted(self):
        link = "See [the page](https://example.org/" + "x" * 90 + ")."
        for text in [f"| {LONG} |", f"```\n{LONG}\n```", link, "`" + "x" * 110 + "`"]:
            self.assertEqual([], of("a.md", text).wide, text)
        self.assertEqual([1], numbers(of("a.md", f"{link} {LONG}").wide))

    def test_a_short_literal_beyond_the_width_is_wide(self):
        self.assertEqual([1], numbers(of("a.md", "word " * 19 + "and `literal`").wide))


class Sentences(unittest.TestCase):
    def test_a_paragraph_is_split_at_its_stops(self):
        self.assertEqual(3, of("a.md", "One is here. Two\ngoes on. Is it three?").sentences)

    def test_abbreviations_versions_and_code_do_not_end_one(self):
        self.assertEqual(1, of("a.md", "Use e.g. Rust 1.95 of `a. B`.").sentences)

    def test_one_may_begin_with_code(self):
        self.assertEqual(2, of("a.md", "Who calls? `none` says nobody.").sentences)
        self.assertEqual([], of("a.md", "**Who calls?** `none` says nobody.").free)

    def test_headings_tables_and_code_are_none(self):
        self.assertEqual(0, of("a.md", "# What it is\n\n| What it is |\n|---|\n\n```\nWhat it is.\n```").sentences)

    def test_each_list_item_is_one(self):
        self.assertEqual(3, of("a.md", "Three things:\n- one thing\n- another thing").sentences)

    def test_comments_of_code_between_are_two(self):
        self.assertEqual(2, of("a.rs", "// One comment\nlet a = 1;\n// another comment").sentences)
        self.assertEqual(2, of("a.rs", "let a = 1; // one comment\nlet b = 1; // another comment").sentences)

    def test_comments_and_docstrings_of_python_are_read(self):
        self.assertEqual(2, of("a.py", '#!/usr/bin/env python3\n"""One sentence."""\n# Another one.\n').sentences)

    def test_scripts_are_known_by_their_first_line(self):
        self.assertEqual(1, of("run", "#!/usr/bin/env bash\n# One sentence.\n").sentences)
        self.assertEqual(0, of("LICENSE", "# One sentence.\n").sentences)

    def test_characters_and_lifetimes_of_rust_do_not_hide_a_comment(self):
        self.assertEqual(1, of("a.rs", "fn f<'a>(b: &'a str) { let c = '\"'; } // One sentence.").sentences)

    def test_nested_comments_of_rust_are_read(self):
        self.assertEqual([2], numbers(of("a.rs", "/* One. /* Two. */\nWhat follows is inside. */ fn f() {}").free))


class Free(unittest.TestCase):
    def test_openings_are_found_with_their_line(self):
        text = "It is.\nWhat it does is two. **Whoever** calls\nis known. Whether it holds is seen."
        self.assertEqual([2, 2, 3], numbers(of("a.md", text).free))

    def test_questions_and_other_places_in_a_sentence_are_excepted(self):
        self.assertEqual([], of("a.md", "What is it? It is what it does. Whatsoever.").free)

    def test_summaries_of_functions_count(self):
        self.assertEqual([1], numbers(of("a.rs", "/// Whether the row exists.\nfn exists() {}").free))


class Joints(unittest.TestCase):
    def test_colons_and_semicolons_are_counted_with_their_line(self):
        self.assertEqual([1, 2], numbers(of("a.md", "One: two\nand three; four.").joints))

    def test_those_that_introduce_a_list_or_are_emphasized_count(self):
        self.assertEqual([1, 3], numbers(of("a.md", "Two things:\n\n- **One:** it is.").joints))

    def test_code_links_times_and_paths_do_not_count(self):
        text = "At 05:00 call `a: b; c` of [it](x:y), see https://example.org/a:b and orders::Row."
        self.assertEqual([], of("a.md", text).joints)


class Command(unittest.TestCase):
    def test_the_table_has_every_group_and_the_targets(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertEqual(0, words.main([str(words.ROOT / "README.md")]))
        names = [line.split("  ")[0] for line in printed.getvalue().splitlines()[1:]]
        self.assertEqual(["README.md", "all", "target"], names)


if __name__ == "__main__":
    unittest.main()
