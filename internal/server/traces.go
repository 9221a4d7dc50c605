package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// openTraces sends spans to a collector when one is named. Spans carry routes, interactions, statuses and
// request ids, never a record's id, a search value or a person.
func (h *Hub) openTraces(ctx context.Context) error {
	if h.Traces == "" {
		h.tracer = noop.NewTracerProvider().Tracer("xinglin")
		return nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(h.Traces))
	if err != nil {
		return fmt.Errorf("server: traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "xinglin"), attribute.String("service.version", Version))))
	h.tracer = provider.Tracer("xinglin")
	h.onClose("traces", func() error {
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return provider.Shutdown(grace)
	})
	return nil
}

var propagator = propagation.TraceContext{}

// begin opens the span of a request, below the caller's own trace where it names one.
func begin(t trace.Tracer, ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	return t.Start(propagator.Extract(ctx, propagation.HeaderCarrier(r.Header)), r.Method, trace.WithSpanKind(trace.SpanKindServer))
}

func finish(span trace.Span, name, request, what string, status int) {
	if span.IsRecording() {
		span.SetName(name)
		span.SetAttributes(attribute.String("xinglin.request", request), attribute.String("xinglin.interaction", what), attribute.Int("http.response.status_code", status))
		if status >= 500 {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}

// traced is the trace's id, for the log line of its request.
func traced(span trace.Span) slog.Attr {
	if c := span.SpanContext(); c.IsValid() {
		return slog.String("trace", c.TraceID().String())
	}
	return slog.Attr{}
}

func beginUnit(t trace.Tracer, ctx context.Context, unit string) (context.Context, trace.Span) {
	return t.Start(ctx, "store "+unit)
}

func finishUnit(span trace.Span, result string) {
	if result != "ok" && span.IsRecording() {
		span.SetAttributes(attribute.String("xinglin.result", result))
	}
	span.End()
}
