import { createHttpEcho } from "./http-echo.ts";

const PORT = 8080;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const server = createHttpEcho(process.env, print);
server.listen(PORT, () => print(`Listening on port ${PORT}`));
process.once("SIGTERM", () => {
  server.close();
  server.closeIdleConnections();
});
