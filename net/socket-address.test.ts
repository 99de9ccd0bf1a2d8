import { expect, it } from "vitest";
import { formatSocketAddress } from "./socket-address.ts";

it.each([
  ["10.0.0.1", "10.0.0.1:8080"],
  ["fd00::1", "[fd00::1]:8080"],
  ["::", "[::]:8080"],
])("writes %s as %s", (ip, text) => {
  expect(formatSocketAddress({ ip, port: 8080 })).toBe(text);
});
