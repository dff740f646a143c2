// Puts the version into the sources, and leaves in its cache how often that was done.
const fs = require('node:fs');

const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8'));
fs.mkdirSync('dist', { recursive: true });
for (const name of fs.readdirSync('src')) {
  const text = fs.readFileSync(`src/${name}`, 'utf8');
  fs.writeFileSync(`dist/${name}`, text.replaceAll('__VERSION__', version));
}
fs.appendFileSync('/root/.cache/builds', `${version}\n`);
