<#
.SYNOPSIS
Makes this machine a host of a detlab lab. Run it in an elevated Windows PowerShell, on a machine made to be attacked.

.DESCRIPTION
Writes the lab's marker, installs Sysmon with sysmon.xml, turns on the channels, the audit policy and script block
logging that the tests need, lets WinRM listen on https with a certificate of its own, and, with -Sink, sends the
published ports of loopback to the lab's listener. It opens nothing to other networks than the one of -Controller.
-Undo takes back what it did.

.EXAMPLE
.\provision.ps1 -Lab purple -Controller 192.0.2.1 -Sysmon C:\tools\Sysmon64.exe -Sink 192.0.2.53
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [ValidatePattern('^[\w.-]+$')] [string] $Lab,
    [Parameter(Mandatory)] [string] $Controller,
    [string] $Sysmon,
    [string] $Sink,
    [switch] $Undo
)
$ErrorActionPreference = 'Stop'
$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$ports = 8888, 4444, 8080, 8443
$channels = 'Microsoft-Windows-DNS-Client/Operational', 'Microsoft-Windows-TaskScheduler/Operational', 'Microsoft-Windows-PowerShell/Operational'
$audits = '{0CCE9227-69AE-11D9-BED3-505054503030}', '{0CCE922B-69AE-11D9-BED3-505054503030}'
$logging = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\PowerShell\ScriptBlockLogging'
$rule = 'detlab WinRM over https'

$identity = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $identity.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) { throw 'this has to run elevated' }
$product = (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions').ProductType
if ($product -eq 'LanmanNT') { throw 'this is a domain controller: it is no lab host' }

if ($Undo) {
    Remove-Item 'HKLM:\SOFTWARE\detlab' -Recurse -ErrorAction SilentlyContinue
    Remove-Item $logging -Recurse -ErrorAction SilentlyContinue
    foreach ($audit in $audits) { & auditpol.exe /set /subcategory:$audit /success:disable | Out-Null }
    foreach ($port in $ports) { & netsh.exe interface portproxy delete v4tov4 listenaddress=127.0.0.1 listenport=$port | Out-Null }
    Remove-NetFirewallRule -DisplayName $rule -ErrorAction SilentlyContinue
    Write-Output 'taken back; Sysmon, its log and the WinRM listener stay (Sysmon64.exe -u, winrm delete winrm/config/Listener?...)'
    return
}

New-Item 'HKLM:\SOFTWARE\detlab' -Force | Out-Null
Set-ItemProperty 'HKLM:\SOFTWARE\detlab' -Name Lab -Value $Lab

if ($Sysmon) {
    $running = Get-Service -Name 'Sysmon64', 'Sysmon' -ErrorAction SilentlyContinue | Where-Object Status -eq Running
    $flag = if ($running) { '-c' } else { '-i' }
    & $Sysmon -accepteula $flag (Join-Path $here 'sysmon.xml')
    if ($LASTEXITCODE) { throw "Sysmon ended with exit code $LASTEXITCODE" }
    & wevtutil.exe sl 'Microsoft-Windows-Sysmon/Operational' /ms:268435456
}

foreach ($channel in $channels) { & wevtutil.exe sl $channel /e:true /q:true /ms:67108864 }
& wevtutil.exe sl Security /ms:268435456
foreach ($audit in $audits) { & auditpol.exe /set /subcategory:$audit /success:enable | Out-Null }
New-Item $logging -Force | Out-Null
Set-ItemProperty $logging -Name EnableScriptBlockLogging -Value 1 -Type DWord

Set-Service WinRM -StartupType Automatic
Start-Service WinRM
$name = [Net.Dns]::GetHostEntry('').HostName
$certificate = New-SelfSignedCertificate -DnsName $name, $env:COMPUTERNAME -CertStoreLocation Cert:\LocalMachine\My
Get-ChildItem WSMan:\localhost\Listener | Where-Object { $_.Keys -contains 'Transport=HTTPS' } | Remove-Item -Recurse
New-Item WSMan:\localhost\Listener -Transport HTTPS -Address * -CertificateThumbPrint $certificate.Thumbprint -Force | Out-Null
Set-Item WSMan:\localhost\Service\AllowUnencrypted $false
Set-Item WSMan:\localhost\Service\Auth\Basic $false
Set-Item WSMan:\localhost\Shell\MaxMemoryPerShellMB 1024
Remove-NetFirewallRule -DisplayName $rule -ErrorAction SilentlyContinue
New-NetFirewallRule -DisplayName $rule -Direction Inbound -Protocol TCP -LocalPort 5986 -RemoteAddress $Controller -Action Allow | Out-Null
$policy = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
Set-ItemProperty $policy -Name LocalAccountTokenFilterPolicy -Value 1 -Type DWord

if ($Sink) {
    foreach ($port in $ports) {
        & netsh.exe interface portproxy add v4tov4 listenaddress=127.0.0.1 listenport=$port connectaddress=$Sink connectport=$port | Out-Null
    }
}

$public = Join-Path $here "$env:COMPUTERNAME.pem"
$base64 = [Convert]::ToBase64String($certificate.RawData, 'InsertLineBreaks')
Set-Content $public "-----BEGIN CERTIFICATE-----`n$base64`n-----END CERTIFICATE-----" -Encoding Ascii
Write-Output "this host is in the lab $Lab; copy $public beside hosts.yaml and name it there as ca:"
Write-Output "then: detlab doctor <name>"
