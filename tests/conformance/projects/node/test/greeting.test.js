const assert = require('node:assert');
const { test } = require('node:test');
const { greeting } = require('../dist/greeting.js');

test('a greeting has a name', () => assert.match(greeting('you'), /^\w+ you from \d/));
