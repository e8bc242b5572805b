// How an object can be shown.

export type Kind = "picture" | "audio" | "video" | "pdf" | "page" | "markdown" | "text" | "none";

/** Bytes of a text that are shown. */
export const TEXT_LIMIT = 256 * 1024;

/** By the end of the key, for what was stored without a media type that says something. */
const BY_ENDING: [RegExp, string][] = [
  [/\.(png|jpe?g|gif|webp|avif|bmp|ico)$/, "image/*"],
  [/\.svg$/, "image/svg+xml"],
  [/\.(mp3|m4a|ogg|opus|flac|wav)$/, "audio/*"],
  [/\.(mp4|webm|mov|m4v)$/, "video/*"],
  [/\.pdf$/, "application/pdf"],
  [/\.html?$/, "text/html"],
  [/\.(md|markdown)$/, "text/markdown"],
  [/\.(txt|log|csv|tsv|json|jsonl|ya?ml|toml|ini|conf|xml|css|js|ts|py|rs|go|sh|sql|c|h|java)$/, "text/plain"],
];

const TEXTS = /^(text\/|application\/(json|xml|javascript|yaml|toml|x-sh|sql|x-ndjson|jsonl)\b)/;

/** How an object of this media type and key can be shown. */
export function kindOf(type: string, key: string): Kind {
  const said = type.split(";")[0]?.trim().toLowerCase() ?? "";
  const saysNothing = ["", "application/octet-stream", "binary/octet-stream"].includes(said);
  const ending = BY_ENDING.find(([pattern]) => pattern.test(key.toLowerCase()))?.[1] ?? "";
  // Markdown mostly comes as a plain text.
  const plain = said === "text/plain" && ending === "text/markdown";
  const media = saysNothing || plain ? ending : said;
  if (media.startsWith("image/")) return "picture";
  if (media.startsWith("audio/")) return "audio";
  if (media.startsWith("video/")) return "video";
  if (media === "application/pdf") return "pdf";
  if (media === "text/html" || media === "application/xhtml+xml") return "page";
  if (media === "text/markdown") return "markdown";
  return TEXTS.test(media) ? "text" : "none";
}

/** The media type with which S3 is asked to send what a frame shows, so that the frame shows nothing else. */
export const SHOWN_AS: Partial<Record<Kind, string>> = { pdf: "application/pdf", page: "text/html; charset=utf-8" };
