const http = require('node:http');

http
  .get(`http://127.0.0.1:${process.env.PORT}/health`, (response) => process.exit(response.statusCode === 200 ? 0 : 1))
  .on('error', () => process.exit(1));
