/** For tests: all applications of the server's pod. What they receive is printed, one line each. */
import { createServer as createHttp2Server } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { addEchoService } from "./grpc/echo-connect-app-fixture.ts";
import { startGrpcJsEcho } from "./grpc/echo-grpc-js-app-fixture.ts";
import { addGrpcServices } from "./grpc/grpc-app-fixture.ts";
import { createHttpApp, type Report, serveRequest } from "./http-app-fixture.ts";
import { PORTS } from "./ports-fixture.ts";
import { createSmtpApp } from "./smtp-app-fixture.ts";

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const report: Report = print;
const serveHttp2 = connectNodeAdapter({
  routes: (router) => {
    addGrpcServices(router, report);
    addEchoService(router, report);
  },
  fallback: (request, response) => serveRequest(request, response, report),
});

for (const { number, serves } of Object.values(PORTS)) {
  switch (serves) {
    case "http":
      createHttpApp(report).listen(number);
      break;
    case "http2":
      createHttp2Server(serveHttp2).listen(number);
      break;
    case "grpc-js":
      startGrpcJsEcho(number, report);
      break;
    case "smtp":
      createSmtpApp(print).listen(number);
      break;
  }
}
