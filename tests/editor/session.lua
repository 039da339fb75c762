-- One session in Neovim without a screen: opens a rule, waits for findings, asks for the manual and for completion,
-- and makes a quick fix. What it saw is written as JSON to the file that $DETLAB_SEEN names.
local rule, command = vim.env.DETLAB_RULE, vim.env.DETLAB_COMMAND
local seen = {}

local function wait(what, seconds, ready)
  if not vim.wait(seconds * 1000, ready, 20) then
    seen.error = 'waited in vain for ' .. what
    vim.fn.writefile({ vim.json.encode(seen) }, vim.env.DETLAB_SEEN)
    vim.cmd('cquit')
  end
end

vim.cmd('edit ' .. vim.fn.fnameescape(rule))
local buffer = vim.api.nvim_get_current_buf()
local client_id = vim.lsp.start_client({ name = 'detlab', cmd = { command, 'lsp' }, root_dir = vim.fn.fnamemodify(rule, ':h') })
vim.lsp.buf_attach_client(buffer, client_id)
wait('findings', 90, function() return #vim.diagnostic.get(buffer) > 0 end)
local client = vim.lsp.get_client_by_id(client_id)
for _, found in ipairs(vim.diagnostic.get(buffer)) do
  seen.findings = seen.findings or {}
  table.insert(seen.findings, { found.code, found.lnum, found.col })
end

local function ask(method, line, column, more)
  local params = { textDocument = { uri = vim.uri_from_bufnr(buffer) } }
  if line then params.position = { line = line, character = column } end
  local answer = client.request_sync(method, vim.tbl_extend('force', params, more or {}), 60000, buffer)
  return answer and answer.result
end

local manual = ask('textDocument/hover', 1, 4)
seen.manual = manual and manual.contents.value
local offered = ask('textDocument/completion', 1, 5)
seen.offered = offered and offered.items[1] and offered.items[1].label

local span = { start = { line = 0, character = 0 }, ['end'] = { line = 9, character = 0 } }
local actions = ask('textDocument/codeAction', nil, nil, { range = span, context = { diagnostics = {} } })
for _, action in ipairs(actions or {}) do
  if action.kind == 'source.fixAll' then
    vim.lsp.util.apply_workspace_edit(action.edit, client.offset_encoding)
  end
end
seen.text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
local before = #vim.diagnostic.get(buffer)
wait('findings of the mended rule', 60, function() return #vim.diagnostic.get(buffer) < before end)
seen.left = #vim.diagnostic.get(buffer)
vim.fn.writefile({ vim.json.encode(seen) }, vim.env.DETLAB_SEEN)
client.stop()
vim.cmd('qall!')
