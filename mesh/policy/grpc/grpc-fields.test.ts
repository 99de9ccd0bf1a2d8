import { describe, expect, it } from "vitest";
import { isGrpcContentType } from "./grpc-content-type.ts";
import { formatGrpcMessage, parseGrpcMessage } from "./grpc-message.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "./grpc-timeout.ts";

describe("grpc-timeout", () => {
  it.each([
    { text: "1H", ms: 3_600_000 },
    { text: "2M", ms: 120_000 },
    { text: "30S", ms: 30_000 },
    { text: "250m", ms: 250 },
    { text: "1500u", ms: 2 },
    { text: "1n", ms: 1 },
    { text: "00000005S", ms: 5000 },
    { text: "99999999m", ms: 99_999_999 },
    { text: "99999999H", ms: 0x7f_ff_ff_ff },
    { text: "0S", ms: undefined },
    { text: "00000000n", ms: undefined },
    { text: "123456789m", ms: undefined },
    { text: "5", ms: undefined },
    { text: "S", ms: undefined },
    { text: "5s", ms: undefined },
    { text: "5h", ms: undefined },
    { text: "-5S", ms: undefined },
    { text: "1.5S", ms: undefined },
    { text: " 5S", ms: undefined },
    { text: "5S, 6S", ms: undefined },
    { text: "5S\n", ms: undefined },
    { text: "", ms: undefined },
    { text: "٥S", ms: undefined },
  ])("$text is $ms ms", ({ text, ms }) => {
    expect(parseGrpcTimeout(text)).toBe(ms);
  });

  it.each([
    { ms: 1, text: "1m" },
    { ms: 1500.9, text: "1500m" },
    { ms: 99_999_999, text: "99999999m" },
    { ms: 100_000_000, text: "100000S" },
    { ms: 1e15, text: "99999999H" },
  ])("$ms ms is written as $text", ({ ms, text }) => {
    expect(formatGrpcTimeout(ms)).toBe(text);
  });
});

describe("grpc-message", () => {
  it.each([
    { text: "no healthy upstream", field: "no healthy upstream" },
    { text: "100%", field: "100%25" },
    { text: "a\r\nx-secret: 1", field: "a%0D%0Ax-secret: 1" },
    { text: "für\t€", field: "f%C3%BCr%09%E2%82%AC" },
    { text: "\u007f\u0000~", field: "%7F%00~" },
    { text: "", field: "" },
  ])("$text is written as $field", ({ text, field }) => {
    expect(formatGrpcMessage(text)).toBe(field);
    expect(parseGrpcMessage(field)).toBe(text);
  });

  it.each([
    { field: "50% of", text: "50% of" },
    { field: "%", text: "%" },
    { field: "%2", text: "%2" },
    { field: "%zz%41", text: "%zzA" },
    { field: "%c3%bc", text: "ü" },
    { field: "%FF", text: "\uFFFD" },
  ])("the malformed or unusual $field is read as $text", ({ field, text }) => {
    expect(parseGrpcMessage(field)).toBe(text);
  });
});

describe("content-type", () => {
  it.each([
    { value: "application/grpc", isGrpc: true },
    { value: "application/grpc+proto", isGrpc: true },
    { value: "application/grpc+json", isGrpc: true },
    { value: "application/grpc;charset=utf-8", isGrpc: true },
    { value: "application/grpc ; charset=utf-8", isGrpc: true },
    { value: "Application/GRPC+Proto", isGrpc: true },
    { value: "application/grpc-web", isGrpc: false },
    { value: "application/grpc-web+proto", isGrpc: false },
    { value: "application/grpc-web-text", isGrpc: false },
    { value: "application/grpcx", isGrpc: false },
    { value: "application/grpc+", isGrpc: false },
    { value: "application/grpc/x", isGrpc: false },
    { value: "application/grpc x", isGrpc: false },
    { value: "text/plain, application/grpc", isGrpc: false },
    { value: "application/json", isGrpc: false },
    { value: "application/grp", isGrpc: false },
    { value: "", isGrpc: false },
    { value: undefined, isGrpc: false },
  ])("$value is gRPC's: $isGrpc", ({ value, isGrpc }) => {
    expect(isGrpcContentType(value)).toBe(isGrpc);
  });
});
