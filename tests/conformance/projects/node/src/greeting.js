exports.greeting = (name) => `hello ${name} from __VERSION__`;
