import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { expect, it } from "vitest";
import { createBodyBudget } from "./body-budget.ts";

const begun = (): IncomingMessage => new IncomingMessage(new Socket());

it("cuts off the oldest requests, as many as needed, when all bodies together exceed the limit", () => {
  const budget = createBodyBudget(100);
  const requests = [begun(), begun(), begun()];
  const [first, second, third] = requests.map((request) => budget.begin(request));
  first?.add(60);
  second?.add(40);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  third?.add(1);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
  third?.add(70);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([true, true, false]);
});

it("a request that ended or was cut off no longer counts", () => {
  const budget = createBodyBudget(100);
  const requests = [begun(), begun(), begun()];
  const [first, second, third] = requests.map((request) => budget.begin(request));
  first?.add(100);
  second?.add(100);
  first?.add(100);
  first?.close();
  second?.close();
  third?.add(100);
  expect(requests.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
});
