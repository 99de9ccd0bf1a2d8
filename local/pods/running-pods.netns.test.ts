import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readLocalPage } from "./running-pods.ts";

const PORT = 8080;
const PODS = ["one", "other"].map((name) => ({
  name,
  namespace: "here",
  networkNamespace: `entente-test-${process.pid}-${name}`,
}));
const SERVER = `
  const { createServer } = require("node:http");
  const answer = (request, response) => response.end(process.argv[1] + request.socket.remoteAddress);
  createServer(answer).listen(${PORT}, "127.0.0.1", () => console.log("listening"));`;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  for (const { name, networkNamespace } of PODS) {
    execFileSync("ip", ["netns", "add", networkNamespace]);
    execFileSync("ip", ["-n", networkNamespace, "link", "set", "lo", "up"]);
    servers.push(spawn("ip", ["netns", "exec", networkNamespace, process.execPath, "--eval", SERVER, name]));
  }
  await Promise.all(servers.map(({ stdout }) => stdout !== null && once(stdout, "data")));
});
afterAll(async () => {
  const ended = servers.map((server) => once(server, "close"));
  for (const server of servers) server.kill("SIGKILL");
  await Promise.all(ended);
  for (const { networkNamespace } of PODS) execFileSync("ip", ["netns", "del", networkNamespace]);
});

function ownNetwork(): string {
  return readlinkSync("/proc/thread-self/ns/net");
}

it("pages of pods' loopbacks are read at once, and meanwhile this process is in its own network", async () => {
  const home = ownNetwork();
  const { signal } = new AbortController();
  const pages = PODS.map((pod) => readLocalPage(pod, { port: PORT, path: "/", signal }));
  // What is opened or started now must not get into a pod.
  expect(ownNetwork()).toBe(home);
  const bodies = (await Promise.all(pages)).map(({ body }) => body);
  expect(bodies).toEqual(PODS.map(({ name }) => `${name}127.0.0.1`));
  expect(ownNetwork()).toBe(home);
});

it("a page of a port on which nothing listens is refused, and this process is in its own network", async () => {
  const home = ownNetwork();
  const [pod] = PODS;
  if (pod === undefined) throw new Error("there are pods");
  const page = readLocalPage(pod, { port: PORT + 1, path: "/", signal: new AbortController().signal });
  await expect(page).rejects.toMatchObject({ code: "ECONNREFUSED" });
  expect(ownNetwork()).toBe(home);
});
