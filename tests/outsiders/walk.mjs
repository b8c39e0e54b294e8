// One walk of the TypeScript SDK's client: start, look, terminate, and answer what is asked. Writes what came back.
// node walk.mjs FOLDER-WITH-node_modules '{"era", "url", "token", "command", "answer", "bell"}'
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, given] = process.argv.slice(2);
const { era, url, token, command, answer, bell } = JSON.parse(given);
const require = createRequire(`${folder}/`);
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

const questions = [];
const notes = [];
const client = new Client(
  { name: "walker", version: "1" },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: era === "legacy" ? era : { pin: era } } },
);
client.setRequestHandler("elicitation/create", ({ params }) => {
  questions.push(params);
  return answer;
});
const options = {
  onprogress: ({ progress, message }) => {
    notes.push([progress, message]);
    writeFileSync(bell, message);
  },
};
const call = (name, args) => client.callTool({ name, arguments: args }, options);

await client.connect(
  command
    ? new StdioClientTransport(command)
    : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }),
);
const version = client.getNegotiatedProtocolVersion();
// Whoever has listed the tools gets results checked against their schemas.
const { tools } = await client.listTools();
const started = await call("pod_start", { template: "hello" });
const heard = notes.splice(0);
const got = await call("pod_get", { pod: started.structuredContent.id });
const ended = await call("pod_terminate", { pod: got.structuredContent.name });
await client.close();
console.log(JSON.stringify({ version, tools: tools.map(({ name }) => name), heard, started, got, questions, ended }));
