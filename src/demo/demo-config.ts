/** Config of the demo: the ready-made entities, and a table as a user of vecpipe would have it. */
export const DEMO_CONFIG = `## Made by \`vecpipe demo\`; yours to change. Every key: docs/configuration.md

entities:
  projects: {}
  wits: {}
  statuses: {}

  ## The packages that are installed on this machine, one row each, in a table like any of your own.
  packages:
    table: demo.packages
    key: name
    text: "{{ name }}: {{ description }}\\n{{ keywords }}"
    payload: [version, description, homepage, license]
`;
