import unittest

from greeter.__main__ import greeting


class Greeting(unittest.TestCase):
    def test_a_greeting_has_a_name(self):
        self.assertRegex(greeting("you"), r"^hello you from \d")
