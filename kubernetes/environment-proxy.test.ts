import { describe, expect, it } from "vitest";
import { decideProxy } from "./environment-proxy.ts";

const PROXY = "http://proxy:3128";

describe("the proxy of the environment", () => {
  it.each([
    { name: "none is set", environment: {}, proxy: undefined },
    { name: "HTTPS_PROXY", environment: { HTTPS_PROXY: PROXY }, proxy: PROXY },
    { name: "https_proxy", environment: { https_proxy: PROXY }, proxy: PROXY },
    { name: "a proxy without a scheme", environment: { HTTPS_PROXY: "proxy:3128" }, proxy: PROXY },
    { name: "HTTP_PROXY is for plaintext servers alone", environment: { HTTP_PROXY: PROXY }, proxy: undefined },
  ])("$name", ({ environment, proxy }) => {
    expect(decideProxy("https://api.example.com:6443", environment)).toBe(proxy);
  });

  it.each([
    { server: "https://api.example.com:6443", noProxy: "*", isDirect: true },
    { server: "https://api.example.com:6443", noProxy: "example.com", isDirect: true },
    { server: "https://api.example.com:6443", noProxy: " EXAMPLE.com , other", isDirect: true },
    { server: "https://api.example.com:6443", noProxy: ".example.com", isDirect: true },
    { server: "https://example.com", noProxy: ".example.com", isDirect: false },
    { server: "https://badexample.com", noProxy: "example.com", isDirect: false },
    { server: "https://api.example.com:6443", noProxy: "example.com:6443", isDirect: true },
    { server: "https://api.example.com:6443", noProxy: "example.com:443", isDirect: false },
    { server: "https://10.96.0.1", noProxy: "10.96.0.1", isDirect: true },
    { server: "https://10.96.0.1", noProxy: "10.96.0.1:443", isDirect: true },
    { server: "https://10.96.0.1", noProxy: "10.96.0.0/12", isDirect: true },
    { server: "https://10.112.0.1", noProxy: "10.96.0.0/12", isDirect: false },
    { server: "https://[fd00::1]:443", noProxy: "fd00::/8", isDirect: true },
    { server: "https://[fd00::1]:443", noProxy: "[fd00::1]:443", isDirect: true },
    { server: "https://10.96.0.1", noProxy: "10.96.0.0/99,/,10.96/12,", isDirect: false },
    { server: "https://127.0.0.1:6443", noProxy: "", isDirect: true },
    { server: "https://localhost:6443", noProxy: "", isDirect: true },
  ])("$server with NO_PROXY=$noProxy is dialled directly: $isDirect", ({ server, noProxy, isDirect }) => {
    const proxy = decideProxy(server, { HTTPS_PROXY: PROXY, NO_PROXY: noProxy });
    expect(proxy === undefined).toBe(isDirect);
  });
});
