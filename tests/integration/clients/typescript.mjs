// A client made with the TypeScript SDK: lists the tools of a server, calls some, prints JSON.
// It is told in JSON where the packages are, which generation of the SDK to use, and what to call.
import { createRequire } from "node:module";

const task = JSON.parse(process.argv[2]);
const require = createRequire(`${task.packages}/`);
const [sdk, pipes, web] =
  task.generation === 2
    ? [require("@modelcontextprotocol/client"), require("@modelcontextprotocol/client/stdio")]
    : ["index", "stdio", "streamableHttp"].map((name) => require(`@modelcontextprotocol/sdk/client/${name}.js`));

const options = task.pin ? { versionNegotiation: { mode: { pin: task.pin } } } : {};
const client = new sdk.Client({ name: "integration", version: "1" }, { capabilities: {}, ...options });
const transport = task.url
  ? new (web ?? sdk).StreamableHTTPClientTransport(new URL(task.url))
  : new pipes.StdioClientTransport({ command: task.command[0], args: task.command.slice(1), env: task.env });

await client.connect(transport);
const { tools } = await client.listTools();
const answers = [];
for (const call of task.calls) {
  const progress = [];
  const watch = { onprogress: (told) => progress.push(told.message ?? String(told.progress)) };
  const given = task.generation === 2 ? [call, watch] : [call, undefined, watch];
  answers.push({ progress, result: await client.callTool(...given) });
}
await client.close();
console.log(JSON.stringify({ server: client.getServerVersion()?.name, tools, answers }));
