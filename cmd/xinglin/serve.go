package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/server"
)

const serveManual = `Runs the hub: the page, the FHIR API at /fhir and the page's own API at /api, on one database.

Examples
  xinglin serve --data /var/lib/xinglin
  xinglin serve --db postgres://xinglin@db/xinglin --data /var/lib/xinglin --blob s3://bucket
  xinglin serve --data /var/lib/xinglin --listen :8443 --cert hub.pem --key hub.key --redirect :8080
  xinglin serve --data /var/lib/xinglin --listen :8443 --tls self

Where things are (in the data folder)
  xinglin.db        the SQLite database, with xinglin.db-wal and -shm while running; not with --db
  master.key        wraps the keys under which records are sealed, mode 0600; not with --master. Keep a copy apart from the data:
                    without it nothing can be read. A key beside the data protects a stolen file or backup, not a stolen disk
  hub.key           only with --seal off: key of sealed identifiers
  files/            uploaded files by their hash; not with --blob
  login-rules.json  own rules for passwords, lockout, sessions and second factors, if it is there
  audit-journal/    reads on their way into the audit chain, and the chain's signed checkpoints
  audit.key         key that signs those checkpoints, mode 0600; better kept elsewhere (--audit-key)
  xinglin.toml      configuration, read if it is there
  xinglin.lock      held while a program writes here

Configuration
  A flag comes before its environment name (XINGLIN_… in brackets below), that before the configuration
  file. In the file a key is the flag's name, at the top or in a table of the command's name:

      data = "/var/lib/xinglin"
      [serve]
      listen = "0.0.0.0:8443"
      cert = "/etc/xinglin/hub.pem"
      key = "/etc/xinglin/hub.key"

  Give a database password in XINGLIN_DB or the file, not on the command line, where other users see it.

Signals
  SIGTERM and SIGINT: no new requests, those under way are finished (20 s), then the rooms end in reverse
  order. What was acknowledged survives kill -9 and power loss as well.

Health
  GET /healthz answers 200 while the process lives; GET /readyz while it also serves.
  GET /metrics is for Prometheus: from this machine, from --metrics-from, or as administrator.
  --traces http://collector:4318 sends traces by OTLP; they name interactions, no records and no people.

` + exitText

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server / 启动服务",
		Long:  serveManual,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := options(cmd)
			if err != nil {
				return err
			}
			return serve(cmd, o, func(url string) {
				fmt.Println("xinglin: serving at", url)
			})
		},
	}
	place(cmd)
	listening(cmd)
	return cmd
}

func serve(cmd *cobra.Command, o server.Options, started func(url string)) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(o.Heap())
	}
	hub, err := server.Open(cmd.Context(), o)
	if err != nil {
		return err
	}
	err = hub.Serve(cmd.Context(), func(url string) {
		if o.SelfSigned {
			if print, err := hub.Fingerprint(); err == nil {
				fmt.Println("xinglin: self-made certificate, SHA-256", print)
			}
		}
		started(url)
	})
	if shut := hub.Close(); err == nil {
		err = shut
	}
	return err
}

// place adds the flags that say where the data is; every command that touches data has them.
func place(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("data", "", "data folder: SQLite database, files, keys, audit journal")
	f.String("db", "", "PostgreSQL database, postgres://user@host/name, instead of SQLite in the data folder")
	f.String("blob", "", "where files are kept: file:///dir or s3://bucket (default DATA/files)")
	f.String("audit-hash", "", "hash of a new audit chain: sha256 or sm3 (default sha256)")
	f.String("audit-key", "", "key file that signs the audit's checkpoints, made if it is not there (default DATA/audit.key)")
	f.String("audit-signature", "", "kind of a new audit key: ecdsa or sm2 (default: sm2 with sm3, else ecdsa)")
	f.StringSlice("audit-checkpoints", nil, "folder or http(s) address that also gets the audit's signed checkpoints; repeat for more")
	f.String("seal", "", "how the database is sealed: aes or sm4; off for a new one in plain (default: as it is; a new one by aes)")
	f.String("master", "", "master key: file:PATH, env:NAME, exec:PROGRAM or https://…, see docs/keys.md (default file:DATA/master.key, made for a new database)")
	f.String("log-level", "info", "debug, info, warn or error")
	f.String("log-format", "text", "text or json; logs go to stderr and hold no patient data")
	f.String("test-clock", "", "file with an offset of business time, for stories")
	f.MarkHidden("test-clock")
}

func listening(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("listen", "127.0.0.1:8080", "address to listen on, host:port")
	f.String("cert", "", "TLS certificate (PEM); with --key the server speaks HTTPS only")
	f.String("key", "", "TLS key (PEM)")
	f.String("tls", "", "self: HTTPS with a certificate that the hub makes for itself and keeps in the data folder, for trial")
	f.String("redirect", "", "address, host:port, on which plain HTTP is led to HTTPS")
	f.Int("memory", 256, "memory in MB that the hub aims to stay within, the database's caches included; more makes large databases faster")
	f.String("base-url", "", "address of the FHIR API as others reach it, https://hub.example/fhir (default: as each request says)")
	f.String("logins", "", "file of the hospitals' own logins (OpenID Connect), see docs/deploy.md")
	f.StringSlice("proxy", nil, "trusted proxies, such as 10.0.0.0/8; their X-Forwarded-For counts")
	f.StringSlice("metrics-from", nil, "addresses that may read /metrics, such as 10.0.0.5/32 (default: this machine)")
	f.String("traces", "", "where to send traces, OTLP over HTTP: http://collector:4318 (default: nowhere)")
	f.StringSlice("hooks", nil, "host or host:port to which rest-hook subscriptions may be sent over https, host,host; none = they are refused")
	f.StringSlice("app-hosts", nil, "host or host:port from which the public keys of SMART apps may be fetched over https; none = keys are registered by value")
	f.Bool("enforce-profiles", false, "refuse a write that breaks a profile of its meta.profile (those that are known here)")
	f.Bool("full-text", false, "answer _text and _content; their index is made in the background and takes about as much room as the other indexes")
	f.String("mllp", "", "address, host:port, on which the hospitals' own systems send HL7 v2 (ADT) over MLLP; with --mllp-peers")
	f.String("mllp-peers", "", "file that says who may send, from where and for which organisation, see docs/deploy.md")
	f.Bool("mllp-tls", false, "HL7 v2 under the hub's certificate (--cert and --key, or --tls self)")
	f.StringSlice("notify-host", nil, "host to which outgoing notices may be sent, beside this machine; repeat for more")
}

// options reads what place and listening declared.
func options(cmd *cobra.Command) (server.Options, error) {
	f := cmd.Flags()
	var o server.Options
	o.Data, _ = f.GetString("data")
	o.DB, _ = f.GetString("db")
	o.Blob, _ = f.GetString("blob")
	o.AuditHash, _ = f.GetString("audit-hash")
	o.AuditKey, _ = f.GetString("audit-key")
	o.AuditSignature, _ = f.GetString("audit-signature")
	o.AuditCopies, _ = f.GetStringSlice("audit-checkpoints")
	o.Seal, _ = f.GetString("seal")
	o.Master, _ = f.GetString("master")
	if o.Seal != "" && o.Seal != "off" {
		if _, err := keys.Of(o.Seal); err != nil {
			return o, usage("--seal is aes, sm4 or off, not %q", o.Seal)
		}
	}
	if o.Data == "" && o.DB == "" {
		return o, usage("name a data folder with --data DIR, or a database with --db postgres://…")
	}
	if f.Lookup("listen") != nil {
		o.Listen, _ = f.GetString("listen")
		megabytes, _ := f.GetInt("memory")
		if megabytes < 128 {
			return o, usage("--memory: the hub needs at least 128 MB")
		}
		o.Budget = int64(megabytes) << 20
		o.Cert, _ = f.GetString("cert")
		o.Key, _ = f.GetString("key")
		o.BaseURL, _ = f.GetString("base-url")
		o.Logins, _ = f.GetString("logins")
		o.Traces, _ = f.GetString("traces")
		var err error
		if o.Proxies, err = prefixes(cmd, "proxy"); err != nil {
			return o, err
		}
		if o.Scrapers, err = prefixes(cmd, "metrics-from"); err != nil {
			return o, err
		}
		o.Hosts, _ = f.GetStringSlice("notify-host")
		o.MLLP, _ = f.GetString("mllp")
		o.MLLPPeers, _ = f.GetString("mllp-peers")
		o.MLLPTLS, _ = f.GetBool("mllp-tls")
		if o.MLLP != "" && o.MLLPPeers == "" {
			return o, usage("--mllp needs --mllp-peers: who may send")
		}
		o.FullText, _ = f.GetBool("full-text")
		o.EnforceProfiles, _ = f.GetBool("enforce-profiles")
		o.Hooks, _ = f.GetStringSlice("hooks")
		if (o.Cert == "") != (o.Key == "") {
			return o, usage("--cert and --key belong together")
		}
		o.Redirect, _ = f.GetString("redirect")
		switch own, _ := f.GetString("tls"); {
		case own == "self" && o.Cert == "":
			o.SelfSigned = true
		case own == "self":
			return o, usage("either --tls self, or --cert and --key")
		case own != "":
			return o, usage("--tls is self, or not given; an own certificate comes with --cert and --key")
		}
		if o.MLLPTLS && o.Cert == "" && !o.SelfSigned {
			return o, usage("--mllp-tls takes the hub's certificate: give --cert and --key, or --tls self")
		}
		if o.Redirect != "" && o.Cert == "" && !o.SelfSigned {
			return o, usage("--redirect leads to HTTPS: give --cert and --key, or --tls self")
		}
	}
	if f.Lookup("app-hosts") != nil {
		o.AppHosts, _ = f.GetStringSlice("app-hosts")
	}
	if path, _ := f.GetString("test-clock"); path != "" {
		o.Clock = clock.FromFile(path)
	}
	level, _ := f.GetString("log-level")
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return o, usage("--log-level: %w", err)
	}
	handler := &slog.HandlerOptions{Level: l}
	switch format, _ := f.GetString("log-format"); format {
	case "text":
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, handler))
	case "json":
		o.Log = slog.New(slog.NewJSONHandler(os.Stderr, handler))
	default:
		return o, usage("--log-format: %q is neither text nor json", format)
	}
	return o, nil
}

func prefixes(cmd *cobra.Command, flag string) (list []netip.Prefix, err error) {
	texts, err := cmd.Flags().GetStringSlice(flag)
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, usage("--%s: %q is not a prefix such as 10.0.0.0/8", flag, text)
		}
		list = append(list, p)
	}
	return list, err
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version / 版本",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				System  string `json:"system"`
			}{server.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if asked, _ := cmd.Flags().GetBool("json"); asked {
				return printJSON(v)
			}
			fmt.Printf("xinglin %s (%s, %s)\n", v.Version, v.Go, v.System)
			return nil
		},
	}
	cmd.Flags().Bool("json", false, "for programs")
	return cmd
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
