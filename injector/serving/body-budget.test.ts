import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { expect, it } from "vitest";
import { createBodyBudget } from "./body-budget.ts";

function begun(client = "10.0.0.1"): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, "remoteAddress", { value: client });
  return new IncomingMessage(socket);
}

const KB = 1024;

it("cuts off a client's oldest requests, as many as needed, when all bodies together exceed the limit", () => {
  const budget = createBodyBudget(100 * KB);
  const requests = [begun(), begun(), begun()];
  const [first, second, third] = requests.map((request) => budget.begin(request));
  first?.add(50 * KB);
  second?.add(38 * KB);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  third?.add(1 * KB);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
  third?.add(70 * KB);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([true, true, false]);
});

it("a request that ended or was cut off no longer counts", () => {
  const budget = createBodyBudget(100 * KB);
  const requests = [begun(), begun(), begun()];
  const [first, second, third] = requests.map((request) => budget.begin(request));
  first?.add(90 * KB);
  second?.add(90 * KB);
  first?.add(90 * KB);
  first?.close();
  second?.close();
  third?.add(90 * KB);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
});

it("a flood of one client costs no other client its request, however old that is", () => {
  const budget = createBodyBudget(100 * KB);
  const apiServer = begun("10.0.0.2");
  budget.begin(apiServer).add(40 * KB);
  const flood = Array.from({ length: 20 }, () => begun("10.0.0.66"));
  for (const request of flood) budget.begin(request).add(20 * KB);
  expect(apiServer.destroyed).toBe(false);
  expect(flood.map(({ destroyed }) => destroyed)).toEqual(flood.map((_, index) => index < 18));
});

it("many requests of one connection are limited, though their bodies are tiny", () => {
  const budget = createBodyBudget(100 * KB);
  const requests = Array.from({ length: 30 }, () => begun());
  for (const request of requests) budget.begin(request).add(1);
  expect(requests.filter(({ destroyed }) => !destroyed)).toHaveLength(24);
});
