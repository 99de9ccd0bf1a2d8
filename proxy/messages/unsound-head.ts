import { MeshError } from "../../mesh/mesh-error.ts";

/**
 * A head has a part that cannot be written without changing the message's meaning. Codecs refuse such messages when they
 * read them, so this is a fault of the proxy or of a rewritten part.
 */
export class UnsoundHead extends MeshError<"unsound_head"> {
  constructor(part: string) {
    super("unsound_head", `a message has ${part} that cannot be written in the version of HTTP of its other side`);
  }
}
