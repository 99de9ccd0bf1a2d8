/** For tests: the methods of the echo service as @grpc/grpc-js describes methods. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Echo, PieceSchema, SummarySchema } from "../api/gen/echo_pb.ts";

/** A method whose messages may be given by some of their fields. */
interface Definition<Input extends DescMessage, Output extends DescMessage> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: MessageInitShape<Input>) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => MessageShape<Input>;
  readonly responseSerialize: (message: MessageInitShape<Output>) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => MessageShape<Output>;
}

export const ECHO = {
  unary: define("Unary", PieceSchema, PieceSchema, "neither"),
  serverStream: define("ServerStream", PieceSchema, PieceSchema, "response"),
  clientStream: define("ClientStream", PieceSchema, SummarySchema, "request"),
  bidi: define("Bidi", PieceSchema, PieceSchema, "both"),
} as const;

function define<Input extends DescMessage, Output extends DescMessage>(
  name: string,
  input: Input,
  output: Output,
  streams: "neither" | "request" | "response" | "both",
): Definition<Input, Output> {
  return {
    path: `/${Echo.typeName}/${name}`,
    requestStream: streams === "request" || streams === "both",
    responseStream: streams === "response" || streams === "both",
    requestSerialize: (message) => encode(input, message),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => encode(output, message),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

function encode<Schema extends DescMessage>(schema: Schema, message: MessageInitShape<Schema>): Buffer {
  return Buffer.from(toBinary(schema, create(schema, message)));
}
