import type { ThemeConfig } from 'antd';

// Apricot #D9822B is 2.9:1 on white, so text and filled buttons take its darker sister (5.1:1).
export const theme: ThemeConfig = {
  token: {
    colorPrimary: '#A85A0B',
    // Ant Design lightens what the mouse is over, which leaves 3.8:1; here it darkens.
    colorPrimaryHover: '#8F4B08',
    colorPrimaryActive: '#7A4006',
    colorPrimaryTextHover: '#8F4B08',
    colorPrimaryTextActive: '#7A4006',
    colorLink: '#8F4B08',
    colorLinkHover: '#7A4006',
    colorLinkActive: '#6A3705',
    colorInfo: '#1D5FBF',
    colorSuccess: '#1B7F3B',
    colorWarning: '#8A5A00',
    colorError: '#C42B1C',
    colorText: '#1F1D1A',
    colorTextSecondary: '#595650',
    colorTextTertiary: '#66625B',
    colorTextPlaceholder: '#6F6B64',
    colorTextDescription: '#595650',
    colorBgLayout: '#F5F4F2',
    colorBorder: '#B9B5AE',
    colorBorderSecondary: '#E4E1DC',
    borderRadius: 4,
    fontSize: 14,
    controlHeight: 32,
    fontFamily: '-apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "Segoe UI", sans-serif',
    motionDurationSlow: '0.15s',
    motionDurationMid: '0.12s',
    motionDurationFast: '0.08s',
  },
  components: {
    Button: { primaryShadow: 'none', defaultShadow: 'none', dangerShadow: 'none' },
    Tabs: { horizontalItemPadding: '8px 0', horizontalMargin: '0' },
  },
};
