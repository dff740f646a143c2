const http = require('node:http');
const { greeting } = require('./greeting.js');

const server = http.createServer((request, response) => {
  response.end(`${greeting(decodeURIComponent(request.url.slice(1)))} as ${process.getuid()}`);
});
server.listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));
